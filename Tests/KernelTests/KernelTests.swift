import TestSupport
import Testing

/// Everything that needs root and the real kernel, one test at a time: one daemon runs, and what one test
/// does is no noise for another.
@Suite(.serialized, .privileged)
enum KernelTests {}
