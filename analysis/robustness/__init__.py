"""How trained networks err on test images that are attacked, corrupted or half hidden."""
