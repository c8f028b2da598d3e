#!/usr/bin/env node
// The command line lives in the bundle, so that a start reads two files instead of a hundred.
import '../lib/cli.js';
