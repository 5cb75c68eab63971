import Glibc

/// The folder of the runtime socket.
enum ControlFolder {
    /// Makes it if it is missing; whoever needs it learns from the bind if that failed.
    static func make(_ path: String) { mkdir(path, 0o755) }
}
