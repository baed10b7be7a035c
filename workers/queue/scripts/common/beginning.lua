-- How a job begins.

-- Store and queue a job that waits for its first attempt. `job` is arq's, as JSON; `created` is now
-- as text; `fields` are more pairs of its meta.
local function store_job(id, task, job, owner, fields, created)
  redis.call('SET', JOB .. id, job, 'PX', JOB_LIFETIME)
  redis.call('HSET', META .. id, 'task', task, 'state', 'PENDING', 'owner', owner,
    'created', created, 'updated', created, unpack(fields))
  redis.call('PEXPIRE', META .. id, META_LIFETIME)
  redis.call('ZADD', QUEUE .. task, created, id)
  count_new(task, owner)
  wake_worker(task)
end
