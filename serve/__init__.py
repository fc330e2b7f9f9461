"""What runs in production: releases, and the gRPC server that dubs with the current one."""
