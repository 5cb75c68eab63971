import CLinux
import Glibc
import Records
import SocketDiagnostics
import SystemCalls

/// The network that this daemon reports: the one that it runs in, or a namespace that was named.
///
/// The daemon itself stays where it is, since the proc connector speaks in the initial network namespace
/// only; it opens what it needs inside (see `NetworkNamespace`).
final class HostNetwork: Sendable {
    /// The namespace's name; `nil` for the daemon's own network.
    let name: String?
    /// The namespace's inode, as /proc/PID/ns/net shows it; `nil` for the daemon's own network.
    let inode: UInt64?
    private let namespace: Namespace?
    /// The numbers of the other namespaces, whose sockets are the host's as well; `nil` where one was named, or where the
    /// kernel gives none.
    let numbers: NetworkNumbers?

    /// The daemon's own network.
    init() {
        name = nil
        inode = nil
        namespace = nil
        do throws(SystemError) { numbers = try NetworkNumbers() } catch { numbers = nil }
    }

    /// A namespace by its name under /run/netns, where ip-netns(8) puts them, or by a path with a slash.
    ///
    /// - Throws: a sentence, if there is no such namespace or it cannot be entered.
    init(named name: String) throws(StartError) {
        let path = name.contains("/") ? name : "/run/netns/" + name
        let namespace: NetworkNamespace
        do throws(SystemError) {
            namespace = try NetworkNamespace(path: path)
        } catch {
            throw StartError(
                "there is no network namespace \(path): \(SystemError.text(of: error.code)); "
                    + "'ip netns list' shows those that have a name")
        }
        do throws(SystemError) {
            try namespace.run {}
        } catch {
            throw StartError(
                "\(path) cannot be entered as a network namespace: \(SystemError.text(of: error.code))")
        }
        self.name = name.split(separator: "/").last.map(String.init) ?? name
        inode = namespace.inode
        self.namespace = Namespace(namespace)
        numbers = nil
    }

    /// The addresses now, loopback left out.
    func addresses() -> [NetworkAddress] {
        guard let namespace else { return Host.addresses() }
        var found: [NetworkAddress] = []
        try? namespace.value.run { found = Host.addresses() }
        return found
    }

    /// A listener of the sockets that die in it, and in the others where none was named.
    func destroyListener() throws(SystemError) -> DestroyListener {
        guard let namespace else { return try DestroyListener(asksOthers: numbers != nil) }
        return try namespace.value.destroyListener()
    }

    /// A socket to dump its sockets.
    func socketQuery() throws(SocketQueryError) -> SocketQuery {
        guard let namespace else { return try SocketQuery() }
        return try namespace.value.socketQuery()
    }

    /// The connections whose destination it translates.
    func translatedFlows() throws(SystemError) -> [TranslatedFlow] {
        guard let namespace else { return try ConnectionTracking.translatedFlows() }
        return try namespace.value.translatedFlows()
    }

    /// The inode of the daemon's own namespace, where that is the one that is watched; `nil` where one was named.
    var ownInode: UInt64? {
        var status = stat()
        guard namespace == nil, stat("/proc/self/ns/net", &status) == 0 else { return nil }
        return UInt64(status.st_ino)
    }

    /// The kernel's socket tables that cannot be asked for in it. A module that can be loaded is loaded by this.
    func missingSocketTables() -> [UnavailableSocketTable] {
        do throws(SocketQueryError) {
            var query = try socketQuery()
            return query.unavailable()
        } catch {
            return SocketTable.allCases.map { UnavailableSocketTable($0, error) }
        }
    }

    private final class Namespace: Sendable {
        let value: NetworkNamespace
        init(_ value: consuming NetworkNamespace) { self.value = value }
    }
}
