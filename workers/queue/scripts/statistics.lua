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

-- Every unfinished job is in its queue. Once that is empty no gauge is right but zero: such as one of
-- a job that nobody claimed for so long that its owner was forgotten.
local function unfinished(task)
  local length = redis.pcall('ZCARD', QUEUE .. task)
  if type(length) ~= 'number' then length = 0 end
  if whose == '' then return length end
  local gauges = {task .. ':PENDING', task .. ':STARTED', task .. ':RETRY'}
  if length == 0 then redis.pcall('HDEL', TOTALS .. whose, unpack(gauges)) end
  local sum = 0
  for _, number in ipairs(redis.call('HMGET', TOTALS .. whose, unpack(gauges))) do
    sum = sum + (tonumber(number) or 0)
  end
  return math.min(sum, length)
end

local lengths = {}
for i = first_task, #ARGV do
  lengths[#lengths + 1] = unfinished(ARGV[i])
end

local presences = {}
if ARGV[1] == '1' then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, '(' .. whole(now), '+inf')) do
    presences[#presences + 1] = redis.call('GET', WORKER .. name) or nil
  end
end
return {redis.call('HGETALL', TOTALS .. whose), lengths, starts, presences}
