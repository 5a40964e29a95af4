"""The management interfaces of an emulated fleet, each over the protocol it really speaks."""
