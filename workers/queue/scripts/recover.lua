-- Make the jobs due at once that an earlier process of this worker held when it died.
--   ARGV  worker, task, task ...
--   ->    how many
-- Called before the first claim, when this worker certainly runs nothing. The lost attempts count
-- as crashes when the jobs are claimed. Looks at 10,000 entries a queue at most; what lies beyond
-- comes back by its lease.
local worker = ARGV[1]
local now = clock()
local recovered = 0

for i = 2, #ARGV do
  local queue = QUEUE .. ARGV[i]
  local later = redis.call('ZRANGEBYSCORE', queue, '(' .. whole(now), '+inf', 'LIMIT', 0, 10000)
  for _, id in ipairs(later) do
    -- pcall: a job whose meta is no hash is ended when it is claimed.
    local holder, token = unpack(redis.pcall('HMGET', META .. id, 'worker', 'token'))
    if holder == worker and token then
      redis.call('DEL', IN_PROGRESS .. id)
      redis.call('ZADD', queue, now, id)
      recovered = recovered + 1
    end
  end
end
return recovered
