import CLinux
import Glibc
import SystemCalls

/// The kernel that a machine boots: this host's own, with the modules that it needs.
struct MachineKernel {
    /// Path of the image.
    let image: String
    /// What `uname -r` says of it.
    let version: String
    /// Paths of its modules, in the order in which they are loaded; none of those that are built in.
    let modules: [String]

    /// Modules without which there is no machine.
    private static let needed = ["virtio_pci", "virtio_net", "9pnet_virtio", "9p"]
    /// Those that it gets where the kernel has them.
    private static let wanted = ["virtio_rng"]

    /// Finds it.
    ///
    /// - Parameter path: an image called `vmlinuz-VERSION`; `nil` for this host's: the one that runs, else the newest.
    /// - Throws: what is missing, and the cure.
    init(_ path: String?) throws(MoveError) {
        let versions = path.map { [$0] } ?? Self.installed()
        guard !versions.isEmpty else {
            throw MoveError(
                "there is no kernel for a machine, /boot/vmlinuz-VERSION with /lib/modules/VERSION: install a package such as linux-image-amd64, or name one by retinue-agent --machine-kernel"
            )
        }
        var reason = MoveError("no kernel")
        for image in versions {
            do throws(MoveError) {
                self = try Self(image: image)
                return
            } catch { reason = error }
        }
        throw reason
    }

    private init(image: String) throws(MoveError) {
        self.image = image
        let name = image.split(separator: "/").last ?? ""
        guard name.hasPrefix("vmlinuz-"), access(image, R_OK) == 0 else {
            throw MoveError("\(image) is no kernel called vmlinuz-VERSION")
        }
        version = String(name.dropFirst("vmlinuz-".count))
        guard access("/lib/modules/\(version)", F_OK) == 0 else {
            throw MoveError("the modules of \(image) are not in /lib/modules/\(version)")
        }
        var found: [String] = []
        for module in Self.needed + Self.wanted {
            let words = ["modprobe", "-S", version, "--show-depends", "--ignore-install", module]
            let outcome = try Tool.run(words, seconds: 20)
            guard outcome.status == 0 else {
                if Self.wanted.contains(module) { continue }
                throw MoveError(
                    "the kernel \(version) has no module \(module): name another one by retinue-agent --machine-kernel"
                )
            }
            // insmod /lib/modules/VERSION/kernel/fs/9p/9p.ko
            for line in outcome.output.split(separator: "\n") where line.hasPrefix("insmod ") {
                let path = line.dropFirst("insmod ".count).split(separator: " ").first.map(String.init) ?? ""
                if !found.contains(path) { found.append(path) }
            }
        }
        modules = found
    }

    /// 6, 1, 0, 50 of `6.1.0-50-amd64`.
    private static func numbers(of version: String) -> [Int] {
        version.split { $0 == "." || $0 == "-" }.compactMap { Int($0) }
    }

    /// Images in /boot whose modules are there: that of the kernel that runs, then the newest first.
    private static func installed() -> [String] {
        guard let stream = opendir("/boot") else { return [] }
        defer { closedir(stream) }
        var versions: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix("vmlinuz-") else { continue }
            let version = String(name.dropFirst("vmlinuz-".count))
            if access("/lib/modules/\(version)", F_OK) == 0 { versions.append(version) }
        }
        var names = utsname()
        uname(&names)
        let running = withUnsafeBytes(of: &names.release) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return versions.sorted {
            $0 == running || $1 != running && numbers(of: $1).lexicographicallyPrecedes(numbers(of: $0))
        }
        .map { "/boot/vmlinuz-\($0)" }
    }
}
