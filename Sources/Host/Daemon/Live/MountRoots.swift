import CLinux
import Glibc
import Procfs
import Synchronization
import SystemCalls

/// Where each filesystem can be entered, by the `fsid` that its events carry.
///
/// Only paths are kept, never descriptors: a descriptor would keep a filesystem from being unmounted.
final class MountRoots: Sendable {
    private struct Table {
        var points: [UInt64: [[UInt8]]] = [:]
        var pseudoDevices: Set<UInt64> = []
    }

    private let table = Mutex(Table())

    /// Devices (`st_dev`) of the kernel's views of itself.
    var pseudoDevices: Set<UInt64> { table.withLock { $0.pseudoDevices } }

    /// Takes in a mount table; a mount of the whole filesystem is preferred to one of a part of it.
    func replace(with mounts: [Mount]) {
        var new = Table()
        for mount in mounts where !mount.isReal {
            let numbers = mount.device.split(separator: UInt8(ascii: ":"))
                .compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
            if numbers.count == 2 { new.pseudoDevices.insert(UInt64(makedev(numbers[0], numbers[1]))) }
        }
        let root = [UInt8(ascii: "/")]
        let real = mounts.filter(\.isReal)
        for mount in real.filter({ $0.root == root }) + real.filter({ $0.root != root }) {
            guard let fsid = Self.fsid(mount.point) else { continue }
            new.points[fsid, default: []].append(mount.point)
        }
        table.withLock { $0 = new }
    }

    /// Mount points of a filesystem, the best first.
    func points(of fsid: UInt64) -> [[UInt8]] { table.withLock { $0.points[fsid] ?? [] } }

    /// `f_fsid` of the filesystem at a path (statfs(2)).
    static func fsid(_ path: [UInt8]) -> UInt64? {
        var status = statfs()
        let result = (path + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { statfs($0.baseAddress!, &status) }
        }
        guard result == 0 else { return nil }
        return withUnsafeBytes(of: &status.f_fsid) { $0.loadUnaligned(as: UInt64.self) }
    }

    private func makedev(_ major: UInt32, _ minor: UInt32) -> UInt64 {
        UInt64(clinux_makedev(major, minor))
    }
}
