#!/usr/bin/env bash
# One of a training's processes, which srun starts one per GPU: tells torch of the others, and becomes the program.
export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
# The batch script's node, which has process 0. Jobs that share it have ports of their own.
export MASTER_ADDR=$SLURM_LAUNCH_NODE_IPADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
exec python "$@"
