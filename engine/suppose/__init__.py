"""What a machine must look like around the part that was shown: a paste of one command becomes a model that a packet can be walked through."""
