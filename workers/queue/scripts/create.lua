-- Create jobs, unless their ids are taken or their idempotency keys made some before.
--   ARGV  for each job: id, task, params (JSON object), owner, notify (gateway or ''),
--         idempotency key's name and digest of the body, or '' and '' for none,
--         most jobs of this owner that may wait, or 0 for any number,
--         key, limit, countdown (ms), expire (ms): concurrency key, or four times '' for none
--   ->    for each when it was created (ms); TAKEN if a job or result of this id exists;
--         {id, {as read.lua}} if the key made that job of the same body, which can be read still;
--         OTHER_BODY if it made one of another body; TOO_MANY if as many jobs of the owner wait
--         as may
-- Looking for an earlier job and making a new one is one step, so of any number of creates with
-- one idempotency key, over whatever gateways, one makes the job.
local now = whole(clock())

-- Whether one more job of the owner may wait. His row holds the jobs that waited when they were
-- looked at last. Only when it is full are some looked at again: the ones that have started or
-- ended leave it, the others go to its end. So claims and ends of jobs need not count anything.
local function has_room(row, most)
  for _ = 1, math.min(most, 128) do
    if redis.call('LLEN', row) < most then return true end
    local oldest = redis.call('LPOP', row)
    local state = load_meta(oldest).state
    if state == 'PENDING' or state == 'RETRY' then redis.call('RPUSH', row, oldest) end
  end
  return redis.call('LLEN', row) < most
end

-- Whether the owner may have this job wait; then it is in his row.
local function takes_room(id, owner, most)
  local row = WAITING .. owner
  if not has_room(row, most) then return false end
  redis.call('RPUSH', row, id)
  redis.call('PEXPIRE', row, META_LIFETIME)
  return true
end

local function create(id, task, params, owner, notify, idempotency, body, most_waiting,
    key, limit, countdown, expire)
  if idempotency ~= '' then
    local held = redis.call('GET', IDEMPOTENCY .. idempotency) or ''
    local earlier_body, earlier_id = held:match('^(%S+) (.+)$')
    if earlier_id and exists(earlier_id) then
      if earlier_body ~= body then return 'OTHER_BODY' end
      return {earlier_id, describe(earlier_id, notify)}
    end
  end
  if exists(id) then return 'TAKEN' end
  if most_waiting ~= '0' and not takes_room(id, owner, tonumber(most_waiting)) then
    return 'TOO_MANY'
  end

  local meta = {task = task, owner = owner}
  if notify ~= '' then meta.notify = notify .. ' ' end
  if key ~= '' then
    meta.key, meta.limit, meta.countdown, meta.expire = key, limit, countdown, expire
  end
  if idempotency ~= '' then meta.idempotency = idempotency end
  local job = '{"t":null,"f":"' .. task .. '","a":[],"k":' .. params .. ',"et":' .. now .. ',"v":true}'
  store_job(id, job, meta, now)
  if idempotency ~= '' then
    redis.call('SET', IDEMPOTENCY .. idempotency, body .. ' ' .. id, 'PX', META_LIFETIME)
  end
  return tonumber(now)
end

return closed(for_each(ARGV, 12, create), now)
