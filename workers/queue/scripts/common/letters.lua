-- Jobs that ended because they cannot be run, kept for an operator.
--
-- A dead letter (DEAD_LETTER .. id), of a job that ended because it cannot be run, holds:
--   task, owner, created, worker           as in meta, '' if not known
--   job, readable                          arq's job as it was stored; '1' if it can be run again
--   reason, attempts                       why it ended (text), and how often it was started
--   key, limit, countdown, expire          as in meta

local LETTER_LIFETIME = 30 * 24 * 3600 * 1000
local MOST_LETTERS = 10000
local LONGEST_REASON = 4096 -- bytes; the end of a traceback is what tells
local DROPS = 16 -- letters dropped a call, at most; each call adds one, so it keeps up

local function drop_letters(ids)
  for _, id in ipairs(ids) do
    redis.call('DEL', DEAD_LETTER .. id)
    redis.call('ZREM', DEAD, id)
  end
end

local function drop_old_letters(now)
  drop_letters(redis.call('ZRANGEBYSCORE', DEAD, '-inf', whole(now - LETTER_LIFETIME),
    'LIMIT', 0, DROPS))
  local surplus = redis.call('ZCARD', DEAD) - MOST_LETTERS
  if surplus > 0 then
    drop_letters(redis.call('ZRANGE', DEAD, 0, math.min(surplus, DROPS) - 1))
  end
end

-- Keep a job that ends because it cannot be run, for an operator. Called before its conclude, which
-- drops what is kept of it. `job` is what is stored, nil if that is no text; `readable` whether it can
-- be read. `reason` is a JSON string.
local function keep_letter(id, task, job, meta, reason, now, readable)
  local is_json, text = pcall(cjson.decode, reason)
  redis.call('DEL', DEAD_LETTER .. id) -- whatever it is: ids are not used again
  redis.call('HSET', DEAD_LETTER .. id,
    'task', task, 'owner', meta.owner or '', 'created', meta.created or '',
    'worker', meta.worker or '', 'job', job or '', 'readable', job and readable and '1' or '0',
    'reason', (is_json and tostring(text) or reason):sub(-LONGEST_REASON),
    'attempts', attempts_of(meta))
  if meta.key and meta.limit and meta.countdown and meta.expire then
    redis.call('HSET', DEAD_LETTER .. id, 'key', meta.key, 'limit', meta.limit,
      'countdown', meta.countdown, 'expire', meta.expire)
  end
  redis.call('PEXPIRE', DEAD_LETTER .. id, LETTER_LIFETIME)
  cleared(DEAD, function() redis.call('ZADD', DEAD, whole(now), id) end)
  redis.call('PEXPIRE', DEAD, LETTER_LIFETIME)
  drop_old_letters(now)
end
