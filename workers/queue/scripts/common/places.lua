-- The places of a concurrency key: who holds one (HOLDERS), and who waits for one (PARKED).

local function place_name(task, key)
  return task .. ':' .. key
end

-- Let job `id` hold a place for `span` ms. The whole row goes with its last place, should nobody
-- ever ask for one or give one back again.
local function hold_place(id, task, key, span, now)
  local name = HOLDERS .. place_name(task, key)
  redis.call('ZADD', name, now + span, id)
  if redis.call('PTTL', name) < span then redis.call('PEXPIRE', name, span) end
end

-- Free the place of job `id`, if it holds one, and make the job that waits longest runnable. That is
-- done also if it held none: its place may have lapsed, or it was called itself and did not come.
local function leave_place(id, task, key, now)
  local name = place_name(task, key)
  redis.call('ZREM', PARKED .. name, id)
  redis.call('ZREM', HOLDERS .. name, id)
  local next_id = redis.call('ZPOPMIN', PARKED .. name)[1]
  if next_id then
    redis.call('ZADD', QUEUE .. task, 'XX', now, next_id)
    wake_worker(task)
  end
end
