"""What `study.doctor` looks at: the machine, the services, the GPUs."""
