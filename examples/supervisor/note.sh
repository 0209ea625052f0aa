#!/bin/sh
# note.sh - a job of the pool `notes`: its payload is a line for the store.
read -r note || true
echo "$note" >store.pipe
echo "noted: $note"
