"""The gateway: HTTPS in front, the queue behind."""
