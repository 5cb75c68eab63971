import CLinux
import Fanotify
import Glibc
import ProcConnector
import Procfs
import SocketDiagnostics
import SystemCalls
import TracepointRing

/// What this kernel and these privileges allow.
public struct KernelProbe: Sendable {
    /// One thing that was looked for.
    public struct Finding: Sendable {
        /// What it is, in a few words.
        public var name: String
        /// Whether it can be used.
        public var isAvailable: Bool
        /// Whether the daemon cannot do without it.
        public var isNeeded: Bool
        /// What was found.
        public var detail: String
        /// What to do if it is not available; empty where nothing can be done.
        public var remedy: String

        /// Makes a finding.
        public init(name: String, isAvailable: Bool, isNeeded: Bool, detail: String, remedy: String) {
            self.name = name
            self.isAvailable = isAvailable
            self.isNeeded = isNeeded
            self.detail = detail
            self.remedy = remedy
        }
    }

    /// Everything that was looked for.
    public var findings: [Finding]
    /// The kernel's release.
    public var kernel: String

    /// Puts findings together.
    public init(findings: [Finding], kernel: String) {
        self.findings = findings
        self.kernel = kernel
    }
}

extension KernelProbe {
    /// Probes once: tries each interface as the daemon would use it, and leaves nothing behind.
    public static func run() -> KernelProbe {
        var names = utsname()
        uname(&names)
        let kernel = withUnsafeBytes(of: &names.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        var findings = capabilities()
        findings += [fileEvents()] + filesystems() + [handles()]
        findings += [processEvents(), processFilter(kernel)]
        findings += [closures(), socketDumps()] + tracepoints() + [controlGroups()]
        return KernelProbe(findings: findings, kernel: kernel)
    }

    private static func capabilities() -> [Finding] {
        let effective = Capability.effective()
        return Capability.allCases.map { capability in
            let has = effective.contains(capability)
            let isNeeded = !capability.isOptional
            return Finding(
                name: capability.name, isAvailable: has || (!isNeeded && effective.contains(.sysAdmin)),
                isNeeded: isNeeded, detail: capability.purpose,
                remedy: has ? "" : "run as root or under the shipped unit")
        }
    }

    private static func fileEvents() -> Finding {
        attempt(
            "fanotify", "file handles, names, targets", remedy: "needs CAP_SYS_ADMIN and Linux 5.17",
            .fanotify
        ) { () throws(SystemError) in _ = try FanotifyGroup(.fileHandle) }
    }

    /// One line a filesystem type that is mounted, with the mode in which it can be watched.
    private static func filesystems() -> [Finding] {
        guard let mounts = try? Mount.all(), let group = try? FanotifyGroup(.fileHandle) else { return [] }
        var findings: [Finding] = []
        var met: Set<[UInt8]> = []
        for mount in mounts where mount.isReal && met.insert(mount.device).inserted {
            let name =
                "\(String(decoding: mount.type, as: UTF8.self)) on \(String(decoding: mount.point, as: UTF8.self))"
            guard mount.kind == .local else {
                // Asking could take as long as its server likes.
                findings.append(
                    Finding(
                        name: name, isAvailable: false, isNeeded: false,
                        detail: "a program or another machine answers for it: not watched", remedy: ""))
                continue
            }
            do throws(SystemError) {
                try group.mark(filesystemAt: mount.point + [0])
                findings.append(
                    Finding(
                        name: name, isAvailable: true, isNeeded: false, detail: "by file handle", remedy: ""))
            } catch {
                let isOverlay = mount.type.elementsEqual("overlay".utf8)
                findings.append(
                    Finding(
                        name: name, isAvailable: isOverlay, isNeeded: false,
                        detail: isOverlay ? "seen on its layers" : "not watched: no file handles (\(error))",
                        remedy: ""))
            }
        }
        return findings
    }

    /// A directory's handle, and back to its path.
    private static func handles() -> Finding {
        attempt(
            "open_by_handle_at", "directory handle to path", remedy: "needs CAP_DAC_READ_SEARCH"
        ) { () throws(SystemError) in
            var handle = [UInt8](repeating: 0, count: 8 + 128)
            handle[0] = 128
            var mount: Int32 = 0
            _ = try systemCall("name_to_handle_at") {
                handle.withUnsafeMutableBytes {
                    clinux_name_to_handle_at(AT_FDCWD, "/", $0.baseAddress!, &mount, 0)
                }
            }
            let root = try FileDescriptor.open("/", O_RDONLY | O_DIRECTORY)
            let number = try systemCall("open_by_handle_at") {
                handle.withUnsafeMutableBytes {
                    clinux_open_by_handle_at(root.number, $0.baseAddress!, O_PATH | O_CLOEXEC)
                }
            }
            _ = FileDescriptor(owning: number)
        }
    }

    private static func processEvents() -> Finding {
        attempt(
            "proc connector", "fork, exec and exit arrive",
            remedy: "needs CAP_NET_ADMIN in the initial pid, user and network namespace, not in a container",
            .procConnector
        ) { () throws(SystemError) in
            let connector = try ProcConnector(.lifecycle)
            if !connector.provesDelivery() { throw SystemError("recv", code: ENOMSG) }
        }
    }

    private static func processFilter(_ kernel: String) -> Finding {
        let has = ProcConnector.filtersRegistrations(release: kernel)
        return Finding(
            name: Self.filterName, isAvailable: has, isNeeded: false,
            detail: has ? "by registration (Linux 6.6)" : "by a filter on the socket", remedy: "")
    }

    private static func closures() -> Finding {
        attempt(
            "socket destroy notices", "TCP and UDP, IPv4 and IPv6",
            remedy: "needs CAP_NET_ADMIN and the modules tcp_diag, udp_diag", .socketDiagnostics
        ) { () throws(SystemError) in _ = try DestroyListener() }
    }

    private static func socketDumps() -> Finding {
        var detail = "TCP, UDP and Unix sockets"
        var isAvailable = false
        do throws(SocketQueryError) {
            var query = try SocketQuery()
            let missing = query.unavailable()
            isAvailable = missing.isEmpty
            if !isAvailable { detail = missing.map(\.description).joined(separator: "; ") }
        } catch { detail = error.description }
        return Finding(
            name: "socket dumps", isAvailable: isAvailable, isNeeded: true, detail: detail,
            remedy: isAvailable ? "" : "needs the modules tcp_diag, udp_diag, unix_diag")
    }

    /// The ring, and what it can do more on some kernels.
    private static func tracepoints() -> [Finding] {
        let ring = tracepoint()
        var countsLoss = false
        var hasMoves = false
        do throws(TracepointError) {
            let rings = try TracepointRings(and: .groupMove, pages: 1)
            countsLoss = rings.countsLoss
            hasMoves = rings.companionFormat.flatMap { try? GroupMoveLayout($0) } != nil
        } catch {
            // Said of the ring.
        }
        return [
            ring,
            Finding(
                name: Self.lossName, isAvailable: countsLoss, isNeeded: false,
                detail: countsLoss ? "by the kernel (Linux 6.0)" : "in the records only", remedy: ""),
            Finding(
                name: Self.movesName, isAvailable: hasMoves, isNeeded: false,
                detail: hasMoves ? "cgroup:cgroup_attach_task" : "not reported", remedy: ""),
        ]
    }

    private static func tracepoint() -> Finding {
        var detail = "sock:inet_sock_set_state"
        var isAvailable = false
        var remedy = "without it short connections are inferred"
        do throws(TracepointError) {
            _ = try TracepointRings(pages: 1)
            isAvailable = true
        } catch {
            detail = error.description
            if let code = error.code,
                let why = KernelEnvironment.read().explanation(of: .tracepoints, code: code)
            {
                remedy = why
            }
        }
        return Finding(
            name: Self.ringName, isAvailable: isAvailable, isNeeded: false, detail: detail,
            remedy: isAvailable ? "" : remedy)
    }

    private static func controlGroups() -> Finding {
        let has = (try? Mount.all())?.contains { $0.type.elementsEqual("cgroup2".utf8) } ?? false
        return Finding(
            name: "cgroup v2", isAvailable: has, isNeeded: false,
            detail: has ? "names workloads" : "not mounted",
            remedy: has ? "" : "programs are then reported without their workload")
    }

    private static func attempt(
        _ name: String, _ detail: String, remedy: String, _ interface: KernelEnvironment.Interface? = nil,
        _ body: () throws(SystemError) -> Void
    ) -> Finding {
        do throws(SystemError) {
            try body()
            return Finding(name: name, isAvailable: true, isNeeded: true, detail: detail, remedy: "")
        } catch {
            return Finding(
                name: name, isAvailable: false, isNeeded: true, detail: error.description,
                remedy: interface.flatMap { KernelEnvironment.read().explanation(of: $0, code: error.code) }
                    ?? remedy)
        }
    }
}
