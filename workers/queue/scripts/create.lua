-- Create a job, or answer that its id is taken.
--   ARGV  id, task, params (JSON object), owner, notify (gateway or ''),
--         key, limit, countdown (ms), expire (ms): concurrency key, or '' for none
--   ->    {1, created ms} or {0} if a job or result of this id exists
local id, task, params, owner, notify, key, limit, countdown, expire = unpack(ARGV)

if redis.call('EXISTS', RESULT .. id, META .. id, JOB .. id) > 0 then
  return {0}
end

local now = whole(clock())
local job = table.concat({
  '{"t":null,"f":"', task, '","a":[],"k":', params, ',"et":', now, ',"v":true}'})
redis.call('SET', JOB .. id, job, 'PX', JOB_LIFETIME)
redis.call('HSET', META .. id,
  'task', task, 'state', 'PENDING', 'owner', owner, 'created', now, 'updated', now)
if notify ~= '' then
  redis.call('HSET', META .. id, 'notify', notify .. ' ')
end
if key ~= '' then
  redis.call('HSET', META .. id, 'key', key, 'limit', limit, 'countdown', countdown,
    'expire', expire)
end
-- Twice as long as the job itself, so that `check` can say that a job expired unrun.
redis.call('PEXPIRE', META .. id, 2 * JOB_LIFETIME)
redis.call('ZADD', QUEUE .. task, now, id)
wake_worker(task)
return {1, now}
