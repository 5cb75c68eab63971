/// Where daemon and command line meet unless configured otherwise.
public enum ControlPath {
    /// The daemon's state folder. The one above it is root's: it holds the agent's as well, which the daemon's user must
    /// not be able to put another one in place of.
    public static let stateFolder = "/var/lib/retinue/daemon"
    /// Where daemons kept their state that ran as root by their unit.
    public static let earlierStateFolder = "/var/lib/retinue"
    /// The socket of the daemon that runs as a service; only one daemon of a host can have it.
    public static let runtime = "/run/retinue/retinued.sock"

    /// The socket that every daemon has, whether or not `runtime` was free.
    public static func inside(stateFolder: String) -> String {
        stateFolder.hasSuffix("/") ? stateFolder + "retinued.sock" : stateFolder + "/retinued.sock"
    }
}
