-- The places of a concurrency key: who holds one (HOLDERS), and who waits for one (PARKED).

local function place_name(task, key)
  return task .. ':' .. key
end

-- Let job `id` hold a place for `span` ms. The whole row goes long after its last place, should nobody
-- ever ask for one or give one back again: a place that lapsed may be renewed, and is to be seen by
-- those who doubt that it is free.
local function hold_place(id, task, key, span, now)
  local name = HOLDERS .. place_name(task, key)
  redis.call('ZADD', name, now + span, id)
  redis.call('PEXPIRE', name, JOB_LIFETIME)
end

local MOST_GONE = 64 -- parked jobs that are not in their queue any more, looked at in one call

-- Take the job that waits longest out of the row, and when it was created; nil if none waits.
local function next_parked(name, task)
  for _ = 1, MOST_GONE do
    local id, created = unpack(redis.call('ZPOPMIN', PARKED .. name))
    if not id or redis.call('ZSCORE', QUEUE .. task, id) then return id, created end
  end
end

-- Free the place of job `id`, if it holds one, and make the job that waits longest runnable. That is
-- done also if it held none: its place may have lapsed, or it was called itself and did not come.
local function leave_place(id, task, key, now)
  local name = place_name(task, key)
  redis.call('ZREM', PARKED .. name, id)
  redis.call('ZREM', HOLDERS .. name, id)
  local next_id, created = next_parked(name, task)
  if next_id then
    redis.call('ZADD', QUEUE .. task, math.min(tonumber(created), now), next_id)
    wake_worker(task)
  end
end
