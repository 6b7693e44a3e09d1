"""What makes a poller a service: health and metrics over HTTP, systemd, logs, reload, and leases for many workers."""
