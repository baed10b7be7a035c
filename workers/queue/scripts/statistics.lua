-- The counters behind status_info: a few hashes, however many jobs and results there are.
--   ARGV  '1' to add the workers, else '0'; whose jobs, or '' for everybody's; number of windows;
--         then a window in seconds and the period (s) of the snapshots to use for it, for each;
--         then task, task ...
--   ->    {totals, unfinished jobs in the order of the tasks, totals at the start of each window or
--         false if nothing ended since, presences of the workers}; hashes as flat lists
local now = clock()
local whose = ARGV[2] == '' and '' or OWNED .. ARGV[2]
local windows = tonumber(ARGV[3])
local first_task = 4 + 2 * windows

local function totals_at_start_of(window, period)
  local since = math.floor((now / 1000 - window) / period)
  local slot = redis.call('ZRANGEBYSCORE', SNAPSHOTS .. period .. whose, since, '+inf', 'LIMIT', 0, 1)[1]
  return slot and redis.call('HGETALL', SNAPSHOT .. period .. ':' .. slot .. whose) or false
end

local starts = {}
for i = 1, windows do
  starts[i] = totals_at_start_of(tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i]))
end

local totals = redis.call('HGETALL', TOTALS .. whose)
local number_of = {}
for i = 1, #totals, 2 do
  number_of[totals[i]] = tonumber(totals[i + 1])
end

-- Once a queue is empty an owner's gauges are zero, whatever they say; see count_new.
local is_void = {}

local function unfinished(task)
  local length = redis.pcall('ZCARD', QUEUE .. task)
  if type(length) ~= 'number' then length = 0 end
  if whose == '' then return length end
  local sum = 0
  for state in pairs(GAUGES_OF_OWNER) do
    local field = task .. ':' .. state
    is_void[field] = length == 0
    sum = sum + (number_of[field] or 0)
  end
  return math.min(sum, length)
end

local lengths = {}
for i = first_task, #ARGV do
  lengths[#lengths + 1] = unfinished(ARGV[i])
end

for i = 1, #totals, 2 do
  if is_void[totals[i]] then totals[i + 1] = '0' end
end

local presences = {}
if ARGV[1] == '1' then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, '(' .. whole(now), '+inf')) do
    presences[#presences + 1] = redis.call('GET', WORKER .. name) or nil
  end
end
return {totals, lengths, starts, presences}
