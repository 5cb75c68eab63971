import ArgumentParser
import MoveGroup
import Records

/// `HOST=DIR`: where the files of a host can be looked at.
struct HostRoot: ExpressibleByArgument, Equatable {
    let host: String
    let directory: String

    /// The first `=` parts the two: a directory may have one, an id, a name or an address has none.
    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        host = String(parts[0])
        directory = String(parts[1])
    }

    func names(_ host: Host) -> Bool {
        if self.host == host.id || self.host == host.name { return true }
        return NetworkAddress(self.host).map { host.addresses.contains($0) } ?? false
    }
}

/// Where the files of each host can be looked at: nowhere, unless somebody said so or it is this machine.
struct HostRoots {
    let given: [HostRoot]
    /// Id of this machine; `nil` if it has none.
    let machineID: String?

    /// The directory below which a host's files are.
    func root(of host: Host) -> String? {
        if let root = given.first(where: { $0.names(host) }) { return root.directory }
        guard let machineID, !machineID.isEmpty else { return nil }
        // A network namespace that is watched as a host of its own is MACHINE-ID/NAME, with the same files.
        return host.id == machineID || host.id.hasPrefix(machineID + "/") ? "/" : nil
    }

    /// Refuses a directory for a host that no input names, and one that is not there.
    func check(against hosts: [Host]) throws(Failure) {
        for root in given {
            guard hosts.contains(where: { root.names($0) }) else {
                throw Failure(
                    "--root \(root.host)=…: no input tells of a host of that id, name or address",
                    status: ExitStatus.badInput)
            }
            guard FileProbe.isDirectory(root.directory) else {
                throw Failure(
                    "--root \(root.host)=\(root.directory): no such directory",
                    status: ExitStatus.badInput)
            }
        }
    }
}
