-- What a call that changes jobs ends with: what it has gathered is written and told.

-- `answer` is handed through.
local function closed(answer, now)
  write_counts(now)
  tell_gathered()
  return answer
end
