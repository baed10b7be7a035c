-- How a job begins.

-- Store and queue a job that waits for its first attempt. `job` is arq's, as JSON; `meta` has its task
-- and owner, and what else is to be known of it; `created` is now as text.
local function store_job(id, job, meta, created)
  meta.state, meta.created, meta.updated = 'PENDING', created, created
  redis.call('ZADD', QUEUE .. meta.task, created, id) -- first: if that is no queue, nothing is kept
  redis.call('SET', JOB .. id, job, 'PX', JOB_LIFETIME)
  redis.call('SET', META .. id, cjson.encode(meta), 'PX', META_LIFETIME)
  count_new(meta.task, meta.owner)
  wake_worker(meta.task)
end
