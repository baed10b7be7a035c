-- A result, in the form that read.lua documents. One that would make the whole answer large is not
-- sent: all others would be held up by it, and over a slow link nobody's answer would come in time.
local function final(result)
  if memory.sent + #result > LARGE then return {'LARGE', #result} end
  memory.sent = memory.sent + #result
  return {'FINAL', result}
end

-- A job as it stands, in the form that read.lua documents. `gateway`, if given, will be told of its
-- end: reading and asking is one step, so no end can fall between the two.
local function describe(id, gateway)
  local result, seen = unpack(redis.call('MGET', RESULT .. id, META .. id))
  if result then return final(result) end

  local meta = load_meta(id, seen)
  local has_job = redis.call('EXISTS', JOB .. id) == 1
  if not meta.task and not has_job then return {'UNKNOWN'} end

  local notify = ' ' .. (meta.notify or '')
  if gateway and gateway ~= '' and not meta.garbled
      and not string.find(notify, ' ' .. gateway .. ' ', 1, true) then
    meta.notify = (meta.notify or '') .. gateway .. ' '
    save_meta(id, meta)
    -- An arq client's job had none until now, and a new key stays for ever.
    if not meta.task then redis.call('PEXPIRE', META .. id, META_LIFETIME) end
  end
  return {
    has_job and 'OPEN' or 'EXPIRED',
    meta.task or '', meta.owner or '', meta.state or 'PENDING', digits(meta.created) or '',
    digits(meta.started) or '', digits(meta.updated) or '', meta.worker or '', attempts_of(meta),
  }
end

-- What pcall caught while a job was looked at, as text, if it comes of what somebody else wrote under
-- the job's names, for that will come up each time. Anything else, such as a server that takes no
-- writes, is no reason to end a job and is raised again.
local GARBAGE = {'WRONGTYPE', 'not an integer', 'not a valid', 'attempt to', 'bad argument'}

local function expect_garbage(problem)
  local text = tostring(type(problem) == 'table' and problem.err or problem)
  for _, sign in ipairs(GARBAGE) do
    if string.find(text, sign, 1, true) then return text end
  end
  error({err = text}, 0)
end

-- Whether an arq client asked to abort the job. Seldom are there any: then one look is enough.
local function is_aborted(id)
  if memory.are_any_aborted == nil then
    memory.are_any_aborted = redis.call('EXISTS', ABORT) == 1
  end
  return memory.are_any_aborted
    and cleared(ABORT, function() return redis.call('ZSCORE', ABORT, id) end)
end
