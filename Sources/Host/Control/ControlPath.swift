/// Where daemon and command line meet unless configured otherwise.
public enum ControlPath {
    /// The daemon's state folder.
    public static let stateFolder = "/var/lib/retinue"
    /// The socket of the daemon that runs as a service; only one daemon of a host can have it.
    public static let runtime = "/run/retinue/retinued.sock"

    /// The socket that every daemon has, whether or not `runtime` was free.
    public static func inside(stateFolder: String) -> String {
        stateFolder.hasSuffix("/") ? stateFolder + "retinued.sock" : stateFolder + "/retinued.sock"
    }
}
