-- Say that a worker is there, or that it has gone.
--   ARGV  worker, presence (JSON), how long it holds (ms; 0: gone)
--   ->    number of workers present
local worker, presence, lasting = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = clock()

redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', now)
if lasting > 0 then
  redis.call('SET', WORKER .. worker, presence, 'PX', lasting)
  redis.call('ZADD', WORKERS, now + lasting, worker)
else
  redis.call('DEL', WORKER .. worker)
  redis.call('ZREM', WORKERS, worker)
end
return redis.call('ZCARD', WORKERS)
