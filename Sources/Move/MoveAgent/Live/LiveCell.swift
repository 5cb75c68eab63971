import CLinux
import Glibc
import SystemCalls

/// A cell whose programs are written down where they are: criu(8) runs in the cell's namespaces and below its root, so that it sees
/// paths and numbers as they do.
///
/// That root need not have a shell or a library: what runs there is laid there, or comes from the host by `/proc/1/root`, the root
/// of the cell's first process.
struct LiveCell {
    let cell: Cell

    /// Below the cell's root.
    private static let place = "/.retinue-dump"
    /// Where criu's tree is found there, and the folder of the dump.
    static let criu = place + "/criu"
    static let folder = place + "/dump"

    private static let outside = "/proc/1/root"

    /// A first line, and what begins the line that executes a script of the host's shell with the host's root.
    func shell() throws(MoveError) -> (String, String) {
        let loader = try Self.loader()
        let folders = Self.libraries.map { Self.outside + $0 }.joined(separator: ":")
        return (
            "#!\(Self.outside)\(loader) \(Self.outside)/bin/sh\n",
            "unset LD_LIBRARY_PATH\nexec \(Self.outside)\(loader) --library-path \(folders) "
                + "\(Self.outside)/usr/sbin/chroot \(Self.outside) /bin/sh"
        )
    }

    private static let libraries = [
        "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64",
    ]

    /// What loads the host's programs: a link to it that begins at the root would be looked for in the cell's.
    private static func loader() throws(MoveError) -> String {
        for path in ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"] {
            guard let found = realpath(path, nil) else { continue }
            defer { free(found) }
            return String(cString: found)
        }
        throw MoveError("this host has no loader of programs at its place")
    }

    /// Criu with some words, in the cell; what it needs is laid there until `leave`.
    ///
    /// - Parameter joinsObjects: whether it is in the cell's namespace of System V objects, and so does not write that down.
    func launch(
        _ words: [String], _ criu: Criu, _ folder: String, joinsObjects: Bool
    ) throws(MoveError) -> Launch {
        leave()
        for (source, place) in [(criu.tree, Self.criu), (folder, Self.folder)] {
            for path in [Self.place, place] { mkdir(cell.root + path, 0o700) }
            let outcome = try inside(["mount", "--bind", source, cell.root + place])
            guard outcome.status == 0 else {
                leave()
                throw MoveError("mount \(place) in the cell: \(outcome.output.prefix(300))")
            }
        }
        // Whoever joins a namespace of processes is in it with its children alone.
        var launch = Launch(
            ["nsenter", "--target", "\(cell.state.pid)", "--mount", "--pid"] + (joinsObjects ? ["--ipc"] : [])
                + ["--", "chroot", cell.root] + words)
        launch.environment.append(
            Array("LD_LIBRARY_PATH=\(Self.libraries.map { Self.outside + $0 }.joined(separator: ":"))".utf8))
        return launch
    }

    /// Takes away what `launch` has laid: criu has its files open by then.
    func leave() {
        for place in [Self.criu, Self.folder] where access(cell.root + place, F_OK) == 0 {
            _ = try? inside(["umount", "--lazy", cell.root + place])
            rmdir(cell.root + place)
        }
        rmdir(cell.root + Self.place)
    }

    private func inside(_ words: [String]) throws(MoveError) -> Tool.Outcome {
        let mounts = open("/proc/\(cell.state.pid)/ns/mnt", O_RDONLY | O_CLOEXEC)
        guard mounts >= 0 else {
            throw MoveError("the cell's first process: \(SystemError.text(of: errno))")
        }
        defer { close(mounts) }
        return try Tool.run(words, seconds: 20) { $0.mounts = mounts }
    }
}
