import TestSupport
import Testing

/// Everything that needs root and the real kernel, one test at a time: one daemon runs, and what one test
/// does is no noise for another.
@Suite(.serialized, .privileged)
enum KernelTests {}

extension Trait where Self == PrivilegeTrait {
    /// Skips a test, with a reason, where a privilege or a program is missing; in CI that is a failure.
    static var privileged: PrivilegeTrait { PrivilegeTrait() }
}

/// See `privileged`.
struct PrivilegeTrait: TestTrait, SuiteTrait {
    let isRecursive = true

    func prepare(for test: Test) async throws {
        switch Privilege.verdict() {
        case .run: break
        case .skip(let reason): try Test.cancel("\(reason)")
        case .fail(let reason): throw Failure("this test must not be skipped here; \(reason)")
        }
    }
}
