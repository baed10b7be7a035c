-- What is known of jobs, and to be told of the ends of those that are open.
--   ARGV  for each job: id, the gateway to tell when it ends
--   ->    for each as read.lua
return for_each(ARGV, 2, describe)
