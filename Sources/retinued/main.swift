print("retinued")
