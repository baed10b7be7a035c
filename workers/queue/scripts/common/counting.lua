-- How many jobs there are in each state, and were.
--
-- TOTALS only ever grows (final states) or is a gauge (STARTED, RETRY). Windows of time come from
-- snapshots: TOTALS is copied before the first change within each slot of 5 s, 1 min and 15 min,
-- so the jobs ended since T are TOTALS now, less the first snapshot at or after T. A reader needs four
-- HGETALL, however many results there are. What a call counts is written once, at its end:
-- one job or many of a task cost the same.
--
-- The jobs of an owner are counted under the same names with OWNED .. owner behind them, besides:
-- there PENDING is a gauge too, for a queue tells only of everybody's. These names go with
-- META_LIFETIME after the last of his jobs was made or ended. A job that waits is gone by then, and
-- one that still runs takes nothing below zero when it ends.
--
-- Counting must never cost a job anything: where a foreign client has put something else in place
-- of the counters, they start anew.

local PERIODS = {5, 60, 900}
local KEPT = {[5] = 120, [60] = 3720, [900] = 88200} -- seconds, a bit over 1 min, 1 hour, 1 day

-- The end of the names under which an owner's jobs are counted; nil where there is no owner.
local function counted_for(owner)
  return owner and owner ~= '' and owner ~= NOBODY and OWNED .. owner or nil
end

-- `whose` is such an end, or '' for everybody's, here and below.
local function add(whose, field, number)
  local changes = memory.changes[whose] or {}
  memory.changes[whose] = changes
  changes[field] = (changes[field] or 0) + number
end

local GAUGES = {STARTED = true, RETRY = true}
local GAUGES_OF_OWNER = {PENDING = true, STARTED = true, RETRY = true}

local function move(whose, gauges, task, from, to)
  if gauges[from] then add(whose, task .. ':' .. from, -1) end
  if gauges[to] then add(whose, task .. ':' .. to, 1) end
end

local function count_move(task, owner, from, to)
  move('', GAUGES, task, from, to)
  local his = counted_for(owner)
  if his then move(his, GAUGES_OF_OWNER, task, from, to) end
end

local function count_end(task, owner, from, state)
  count_move(task, owner, from, nil)
  for _, whose in ipairs({'', counted_for(owner)}) do
    add(whose, task .. ':' .. state, 1)
    memory.has_ended[whose] = true
  end
end

-- A job that is in its queue now. In an empty one no gauge was right but zero: such as one of a job
-- that nobody claimed for so long that its owner was forgotten.
local function count_new(task, owner)
  local his = counted_for(owner)
  if not his then return end
  if redis.pcall('ZCARD', QUEUE .. task) == 1 then
    redis.pcall('HDEL', TOTALS .. his, task .. ':PENDING', task .. ':STARTED', task .. ':RETRY')
  end
  count_move(task, owner, nil, 'PENDING')
  memory.has_begun[his] = true
end

-- Whether there was anything to do.
local function snapshot_before_change(whose, now)
  local seen, is_first = redis.call('HMGET', SLOTS .. whose, unpack(PERIODS)), false
  for i, period in ipairs(PERIODS) do
    local slot = whole(math.floor(now / (period * 1000)))
    if seen[i] ~= slot then
      is_first = true
      local name, row = SNAPSHOT .. period .. ':' .. slot .. whose, SNAPSHOTS .. period .. whose
      redis.call('COPY', TOTALS .. whose, name, 'REPLACE')
      redis.call('EXPIRE', name, KEPT[period])
      redis.call('ZADD', row, slot, slot)
      redis.call('ZREMRANGEBYSCORE', row, '-inf', slot - KEPT[period] / period)
      redis.call('HSET', SLOTS .. whose, period, slot)
      if whose ~= '' then
        redis.call('EXPIRE', row, KEPT[period])
        redis.call('PEXPIRE', SLOTS .. whose, META_LIFETIME)
      end
    end
  end
  return is_first
end

local function write(whose, field, number)
  local sum = redis.pcall('HINCRBY', TOTALS .. whose, field, number)
  if type(sum) == 'table' then
    redis.call('DEL', TOTALS .. whose, SLOTS .. whose)
  elseif sum < 0 then -- a gauge that started anew while the job was under way
    redis.call('HDEL', TOTALS .. whose, field)
  end
end

-- Write what this call has counted.
local function write_counts(now)
  for whose, changes in pairs(memory.changes) do
    local is_news = memory.has_begun[whose]
    if memory.has_ended[whose] then
      local done, is_first = pcall(snapshot_before_change, whose, now)
      is_news = is_news or is_first or not done
    end
    for field, number in pairs(changes) do
      if number ~= 0 then write(whose, field, number) end
    end
    if is_news and whose ~= '' then redis.call('PEXPIRE', TOTALS .. whose, META_LIFETIME) end
  end
  memory.changes = {}
end
