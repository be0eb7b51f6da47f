"""Where jobs run: a process here, another machine over ssh, a Slurm cluster."""
