-- The dead letters, the latest first.
--   ARGV  how many at most
--   ->    {total, letters}: letters as {id, when (ms), task, owner, created (ms), worker, reason,
--         attempts, '1' if it can be replayed else '0'}; '' if not known
local now = clock()
local since = '(' .. whole(now - LETTER_LIFETIME)
local entries = redis.call('ZREVRANGEBYSCORE', DEAD, '+inf', since,
  'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))

local letters = {}
for i = 1, #entries, 2 do
  local letter = redis.call('HMGET', DEAD_LETTER .. entries[i],
    'task', 'owner', 'created', 'worker', 'reason', 'attempts', 'readable')
  letters[#letters + 1] = {entries[i], whole(tonumber(entries[i + 1])), unpack(letter)}
end
return {redis.call('ZCOUNT', DEAD, since, '+inf'), letters}
