-- The counters behind status_info: a few hashes, however many jobs and results there are.
--   ARGV  '1' to add the workers, else '0'; number of windows; then a window in seconds and the
--         period (s) of the snapshots to use for it, for each; then task, task ...
--   ->    {totals, queue lengths in the order of the tasks, totals at the start of each window or
--         false if nothing ended since, presences of the workers}; hashes as flat lists
local now = clock()
local windows = tonumber(ARGV[2])
local first_task = 3 + 2 * windows

local function totals_at_start_of(window, period)
  local since = math.floor((now / 1000 - window) / period)
  local slot = redis.call('ZRANGEBYSCORE', SNAPSHOTS .. period, since, '+inf', 'LIMIT', 0, 1)[1]
  return slot and redis.call('HGETALL', SNAPSHOT .. period .. ':' .. slot) or false
end

local starts = {}
for i = 1, windows do
  starts[i] = totals_at_start_of(tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i]))
end

local lengths = {}
for i = first_task, #ARGV do
  local length = redis.pcall('ZCARD', QUEUE .. ARGV[i])
  lengths[#lengths + 1] = type(length) == 'number' and length or 0
end

local presences = {}
if ARGV[1] == '1' then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, '(' .. whole(now), '+inf')) do
    presences[#presences + 1] = redis.call('GET', WORKER .. name) or nil
  end
end
return {redis.call('HGETALL', TOTALS), lengths, starts, presences}
