package import Testing

extension Trait where Self == PrivilegeTrait {
    /// Skips a test, with a reason, where a privilege or a program is missing; in CI that is a failure.
    package static var privileged: PrivilegeTrait { PrivilegeTrait() }
}

/// See `privileged`.
package struct PrivilegeTrait: TestTrait, SuiteTrait {
    package let isRecursive = true

    package func prepare(for test: Test) async throws {
        switch Privilege.verdict() {
        case .run: break
        case .skip(let reason): try Test.cancel("\(reason)")
        case .fail(let reason): throw Failure("this test must not be skipped here; \(reason)")
        }
    }
}
