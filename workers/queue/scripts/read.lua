-- What is known of a job; optionally ask to be told of its end.
--   ARGV  id, notify: the gateway to tell when the job ends, or ''
--   ->    {'FINAL', result}, {'UNKNOWN'}, {'EXPIRED', ...} or {'OPEN', ...} with
--         task, owner, state, created, started, updated, worker, attempts ('' if not there)
-- Reading and asking is one step, so no end can fall between the two.
local id, gateway = ARGV[1], ARGV[2]

local result = redis.call('GET', RESULT .. id)
if result then return {'FINAL', result} end

local meta = load_meta(id)
local has_job = redis.call('EXISTS', JOB .. id) == 1
if not meta.task and not has_job then return {'UNKNOWN'} end

local notify = ' ' .. (meta.notify or '')
if gateway ~= '' and not string.find(notify, ' ' .. gateway .. ' ', 1, true) then
  -- Not if the server takes no writes for now: who waits looks again by himself.
  redis.pcall('HSET', META .. id, 'notify', (meta.notify or '') .. gateway .. ' ')
end
return {
  has_job and 'OPEN' or 'EXPIRED',
  meta.task or '', meta.owner or '', meta.state or 'PENDING', meta.created or '',
  meta.started or '', meta.updated or '', meta.worker or '', redis.call('GET', RETRY .. id) or '0',
}
