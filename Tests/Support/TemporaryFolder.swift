import Foundation

/// Lends a new folder under the system's folder for temporary files, and removes it with all that is in it.
package func withTemporaryFolder<Result>(_ body: (_ path: String) throws -> Result) throws -> Result {
    let path = try makeTemporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// Makes a folder that nobody else has; the caller removes it.
package func makeTemporaryFolder() throws -> String {
    var template = Array((realPath(NSTemporaryDirectory()) + "/retinue-test-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("mkdtemp: \(String(cString: strerror(errno)))") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Makes a folder, with those above it.
package func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
}

/// Writes a text as a whole file.
package func write(_ text: String, to path: String, executable: Bool = false) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    if executable { _ = chmod(path, 0o755) }
}
