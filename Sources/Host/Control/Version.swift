/// The version of Retinue, daemon and command line alike.
public let retinueVersion = "0.1.0"
