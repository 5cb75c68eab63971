import ArgumentParser
import Records

/// An argument that names a file of records and perhaps the address of its machine: `[ADDRESS=]FILE`.
struct MachineFile: ExpressibleByArgument {
    let machine: NetworkAddress?
    let path: String

    /// What stands before the first `=` is an address if it reads as one; else it belongs to the file's
    /// name. A file whose own name begins like that can be written with `./`.
    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, let address = NetworkAddress(String(parts[0])) {
            guard !parts[1].isEmpty else { return nil }
            machine = address
            path = String(parts[1])
        } else {
            machine = nil
            path = argument
        }
    }
}
