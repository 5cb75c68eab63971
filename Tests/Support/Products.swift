import Foundation

/// The executables of this package, as they were built for this run of the tests.
package enum Products {
    /// The folder in which the build lays products; `RETINUE_PRODUCTS` overrules it.
    package static let folder: String = {
        if let told = ProcessInfo.processInfo.environment["RETINUE_PRODUCTS"] { return told }
        // SwiftPM lays the test bundle beside the products and runs it as a program of its own; where a
        // helper of the toolchain runs it, the bundle is an argument.
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let program = own.hasSuffix(".xctest") ? own : bundle ?? own
        return realPath((program as NSString).deletingLastPathComponent)
    }()

    /// The path of a product.
    package static func path(_ name: String) throws -> String {
        let path = folder + "/" + name
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
