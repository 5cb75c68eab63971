import TestSupport
import Testing

extension Trait where Self == PrivilegeTrait {
    /// Skips a test, with a reason, where a privilege is missing; in CI that is a failure.
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
