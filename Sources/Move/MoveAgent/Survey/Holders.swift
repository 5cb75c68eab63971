import Glibc
import Procfs
import Text

/// Which processes have what others have as well: sockets, pipes, shared memory, terminals.
///
/// One walk over all processes, for a list of what is looked for; one that ends meanwhile has nothing.
struct Holders {
    /// What is looked for.
    struct Wanted {
        /// By inode.
        var sockets: Set<UInt64> = []
        var pipes: Set<UInt64> = []
        /// FIFOs, and files of terminals (`/dev/pts/1`), by path.
        var paths: Set<[UInt8]> = []
        var memory: Set<SharedPlace> = []
        /// Numbers of terminals of which the other side (`/dev/ptmx`) is looked for.
        var terminals: Set<Int32> = []

        var isEmpty: Bool {
            sockets.isEmpty && pipes.isEmpty && paths.isEmpty && memory.isEmpty && terminals.isEmpty
        }
    }

    /// Memory that processes may have in common.
    struct SharedPlace: Hashable {
        var major: UInt32
        var minor: UInt32
        var inode: UInt64

        init(_ area: MemoryArea) { (major, minor, inode) = (area.major, area.minor, area.inode) }
    }

    private(set) var sockets: [UInt64: [Int32]] = [:]
    private(set) var pipes: [UInt64: [Int32]] = [:]
    private(set) var paths: [[UInt8]: [Int32]] = [:]
    /// With whether the process may write to it.
    private(set) var memory: [SharedPlace: [(pid: Int32, isWritable: Bool)]] = [:]
    private(set) var terminals: [Int32: [Int32]] = [:]

    init(of wanted: Wanted, among pids: [Int32]) {
        guard !wanted.isEmpty else { return }
        let scratch = DescriptorScratch()
        let opening = Array("/dev/ptmx".utf8)
        for pid in pids where pid != getpid() {
            guard let directory = ProcessDirectory(pid) else { continue }
            var masters: [Int32] = []
            directory.descriptors(scratch) { number, target in
                guard let first = target.first,
                    first == UInt8(ascii: "/") || first == UInt8(ascii: "s")
                        || first == UInt8(ascii: "p")
                else { return }
                let bytes = Array(target)
                switch DescriptorKind(bytes) {
                case .socket(let inode) where wanted.sockets.contains(inode):
                    Self.add(pid, to: &sockets[inode, default: []])
                case .pipe(let inode) where wanted.pipes.contains(inode):
                    Self.add(pid, to: &pipes[inode, default: []])
                case .path(opening) where !wanted.terminals.isEmpty: masters.append(number)
                case .path(let path) where wanted.paths.contains(path):
                    Self.add(pid, to: &paths[path, default: []])
                default: break
                }
            }
            for number in masters {
                guard let terminal = directory.traits(descriptor: number)?.terminal,
                    wanted.terminals.contains(terminal)
                else { continue }
                Self.add(pid, to: &terminals[terminal, default: []])
            }
            guard !wanted.memory.isEmpty, directory.mayHaveSharedMappings() else { continue }
            for area in directory.memoryAreas() where area.isShared && wanted.memory.contains(.init(area)) {
                memory[.init(area), default: []].append((pid, area.isWritable))
            }
        }
    }

    private static func add(_ pid: Int32, to pids: inout [Int32]) {
        if pids.last != pid { pids.append(pid) }
    }

    /// A process for people: `process 12 (/usr/sbin/rsyslogd)`.
    static func name(_ pid: Int32) -> String {
        guard let path = ProcessDirectory(pid)?.executable() else { return "process \(pid)" }
        return "process \(pid) (\(Printable.text(path)))"
    }
}
