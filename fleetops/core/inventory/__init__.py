"""Where hosts stand, from the files a site already keeps: YAML, CSV, Slurm, Kubernetes."""
