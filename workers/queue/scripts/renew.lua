-- Renew the leases of all jobs that a worker holds: one call a heartbeat.
--   ARGV  lease (ms), longest run (ms), result ttl (ms), id, task, token, id, task, token ...
--   ->    an answer a job: OK, ABORT (revoked or ended: stop it), LOST (not yours any more: stop it)
-- A lease that ran out is taken up again as long as nobody else claimed the job. A job that ran
-- longer than the longest run is given away whatever its worker says.
local lease, longest, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = clock()

local function renew(id, task, token)
  if redis.call('EXISTS', RESULT .. id) == 1 then return 'ABORT' end
  local meta = load_meta(id)
  if meta.token ~= token then return 'LOST' end
  if is_aborted(id) then
    conclude(id, task, stored_job(id), meta, 'REVOKED', REVOKED_TEXT, ttl, now)
    return 'ABORT'
  end
  if now - tonumber(meta.started) > longest then
    make_due(id, task, meta, now)
    return 'LOST'
  end
  redis.call('SET', IN_PROGRESS .. id, token, 'PX', lease)
  redis.call('ZADD', QUEUE .. task, now + lease, id)
  keep_stored(id, meta)
  if meta.key then -- taken up again even if it had lapsed: the job does run, so it is not free
    hold_place(id, task, meta.key, math.min(lease, tonumber(meta.expire)), now)
  end
  return 'OK'
end

-- One job that cannot be looked at must not cost the others their leases.
local function renew_or_lose(id, task, token)
  local looked, answer = pcall(renew, id, task, token)
  if looked then return answer end
  expect_garbage(answer)
  return 'LOST'
end

-- Aborts of ids that never come up would otherwise stay for ever.
cleared(ABORT, function()
  redis.call('ZREMRANGEBYSCORE', ABORT, '-inf', now - JOB_LIFETIME)
end)

local answers = {}
for i = 4, #ARGV, 3 do
  answers[#answers + 1] = renew_or_lose(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
return closed(answers, now)
