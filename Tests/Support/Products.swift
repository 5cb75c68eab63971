import Foundation

/// The executables of this package, as they were built for this run of the tests.
package enum Products {
    /// The folder in which the build lays products.
    package static let folder: String = {
        // SwiftPM lays the test bundle beside the products and runs it as a program of its own; where a
        // helper of the toolchain runs it, the bundle is an argument.
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let program = own.hasSuffix(".xctest") ? own : bundle ?? own
        return realPath((program as NSString).deletingLastPathComponent)
    }()

    /// The path of a product.
    ///
    /// `RETINUE_PRODUCTS` names the folder that has the daemon and the command line to be tested, which
    /// `make test` takes from the release build; workloads are always this build's.
    package static func path(_ name: String) throws -> String {
        let isShipped = ["retinued", "retinue", "retinue-server"].contains(name)
        let other = ProcessInfo.processInfo.environment["RETINUE_PRODUCTS"]
        let path = (isShipped ? other ?? folder : folder) + "/" + name
        guard access(path, X_OK) == 0 else { throw Failure("there is no product \(path)") }
        return realPath(path)
    }
}

/// A path without symbolic links; the path itself if it does not exist.
package func realPath(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
}
