-- Write the outcomes of attempts as their jobs' final results; the first final write wins.
--   ARGV  for each job: id, task, token, state, result (JSON), result ttl (ms), concurrency key or '',
--         '1' if the stored job is readable JSON, else '0': it becomes a dead letter
--   ->    for each OK, DUP (there is a result; it stays), REVOKED (aborted meanwhile: ended so),
--         FENCED (not the running attempt's token: nothing written)
local now = clock()

local function finish(id, task, token, state, result, ttl, key, readable)
  local ended, job, seen = unpack(redis.call('MGET', RESULT .. id, JOB .. id, META .. id))
  if ended then
    if key ~= '' then leave_place(id, task, key, now) end
    return 'DUP'
  end
  local meta = load_meta(id, seen)
  if meta.token ~= token then return 'FENCED' end

  local verdict = 'OK'
  if is_aborted(id) then
    state, result, verdict = 'REVOKED', REVOKED_TEXT, 'REVOKED'
  elseif readable ~= '1' then
    keep_letter(id, task, job, meta, result, now, false)
    job = nil
  end
  conclude(id, task, job, meta, state, result, ttl, now)
  if key ~= '' then leave_place(id, task, key, now) end
  return verdict
end

return closed(for_each(ARGV, 8, finish), now)
