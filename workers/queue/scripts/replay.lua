-- Make a new job from a dead letter, which is dropped.
--   ARGV  id of the letter, id of the new job
--   ->    {'NEW', created ms, task, owner}, {'UNKNOWN'} if there is no such letter, or
--         {'UNREADABLE'} if what is stored in it cannot be run: the letter stays
-- The stored parameters are copied as they are, for Lua has no integers of any size.
local letter_id, id = ARGV[1], ARGV[2]
local now = whole(clock())

local task, owner, job, readable = unpack(redis.call('HMGET', DEAD_LETTER .. letter_id,
  'task', 'owner', 'job', 'readable'))
if not task then return {'UNKNOWN'} end

local function is_job()
  local read, fields = pcall(cjson.decode, job)
  return read and type(fields) == 'table' and fields.f == task and type(fields.k) == 'table'
end
if readable ~= '1' or not is_job() then return {'UNREADABLE'} end

-- Its time of creation stands at the end, before our mark "v"; see create.lua.
local renewed = job:gsub(',"et": ?%d+(,"v":true)}$', ',"et":' .. now .. '%1}')
local meta = {task = task, owner = owner or ''}
local places = {'key', 'limit', 'countdown', 'expire'}
for i, value in ipairs(redis.call('HMGET', DEAD_LETTER .. letter_id, unpack(places))) do
  meta[places[i]] = value or nil
end
store_job(id, renewed, meta, now)
drop_letters({letter_id})
return closed({'NEW', now, task, meta.owner}, now)
